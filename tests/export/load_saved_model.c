/* Runs signatures of a SavedModel through TensorFlow's C API: no Python, no Keras.

   load_saved_model FOLDER < REQUESTS

   FOLDER is a SavedModel, loaded by the tag "serve". REQUESTS are lines of words:

     input OPERATION INDEX TYPE FILE RANK SIZE...   a tensor to feed, read from FILE
     output OPERATION INDEX FILE                    a tensor to fetch, written to FILE
     run                                            runs what was said since the last run

   TYPE is one of TensorFlow's numbers for types (tensorflow/c/tf_datatype.h). A file
   holds the bare numbers of a tensor, in C order. Of strings (TYPE 7) it holds, one
   after another, each one's length as a 64-bit integer and its bytes.

   Built by test_native.py against the headers and the two libraries of the installed
   TensorFlow wheel. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

enum { MOST = 8 };

static void fail(const char* what, const char* which) {
  fprintf(stderr, "%s: %s\n", what, which);
  exit(1);
}

static void check(const TF_Status* status, const char* what) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

/* The contents of a file, for the caller to free. */
static char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) fail("cannot read", path);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char* content = malloc(*size + 1);
  if (content == NULL || fread(content, 1, *size, file) != *size)
    fail("cannot read", path);
  fclose(file);
  return content;
}

static TF_Tensor* read_tensor(TF_DataType type, const char* path, int rank,
                              const int64_t* sizes) {
  size_t num_values = 1, num_bytes;
  for (int i = 0; i < rank; i++) num_values *= (size_t)sizes[i];
  char* content = read_file(path, &num_bytes);
  TF_Tensor* tensor;
  if (type == TF_STRING) {
    tensor = TF_AllocateTensor(type, sizes, rank, num_values * sizeof(TF_TString));
    TF_TString* strings = TF_TensorData(tensor);
    const char* place = content;
    for (size_t i = 0; i < num_values; i++) {
      int64_t length;
      memcpy(&length, place, sizeof length);
      place += sizeof length;
      TF_StringInit(&strings[i]);
      TF_StringCopy(&strings[i], place, (size_t)length);
      place += length;
    }
  } else {
    if (num_bytes != num_values * TF_DataTypeSize(type)) fail("wrong size", path);
    tensor = TF_AllocateTensor(type, sizes, rank, num_bytes);
    memcpy(TF_TensorData(tensor), content, num_bytes);
  }
  free(content);
  return tensor;
}

static void write_tensor(const TF_Tensor* tensor, const char* path) {
  FILE* file = fopen(path, "wb");
  size_t size = TF_TensorByteSize(tensor);
  if (file == NULL || fwrite(TF_TensorData(tensor), 1, size, file) != size)
    fail("cannot write", path);
  fclose(file);
}

static TF_Output find(TF_Graph* graph, const char* operation, int index) {
  TF_Output output = {TF_GraphOperationByName(graph, operation), index};
  if (output.oper == NULL) fail("no operation", operation);
  return output;
}

int main(int argc, char** argv) {
  if (argc != 2) fail("usage", "load_saved_model FOLDER < REQUESTS");
  const char* tags[] = {"serve"};
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1,
                                                     graph, NULL, status);
  check(status, "cannot load");

  TF_Output inputs[MOST], outputs[MOST];
  TF_Tensor *fed[MOST], *fetched[MOST];
  char paths[MOST][4096];
  int num_inputs = 0, num_outputs = 0, index, type, rank;
  char word[16], operation[256], path[4096];
  while (scanf("%15s", word) == 1) {
    if (strcmp(word, "input") == 0 && num_inputs < MOST) {
      int64_t sizes[MOST];
      if (scanf("%255s %d %d %4095s %d", operation, &index, &type, path, &rank) != 5 ||
          rank > MOST)
        fail("cannot understand", word);
      for (int i = 0; i < rank; i++)
        if (scanf("%ld", &sizes[i]) != 1) fail("cannot understand", word);
      inputs[num_inputs] = find(graph, operation, index);
      fed[num_inputs++] = read_tensor((TF_DataType)type, path, rank, sizes);
    } else if (strcmp(word, "output") == 0 && num_outputs < MOST) {
      if (scanf("%255s %d %4095s", operation, &index, paths[num_outputs]) != 3)
        fail("cannot understand", word);
      outputs[num_outputs++] = find(graph, operation, index);
    } else if (strcmp(word, "run") == 0) {
      TF_SessionRun(session, NULL, inputs, fed, num_inputs, outputs, fetched,
                    num_outputs, NULL, 0, NULL, status);
      check(status, "cannot run");
      for (int i = 0; i < num_inputs; i++) TF_DeleteTensor(fed[i]);
      for (int i = 0; i < num_outputs; i++) {
        write_tensor(fetched[i], paths[i]);
        TF_DeleteTensor(fetched[i]);
      }
      num_inputs = num_outputs = 0;
    } else {
      fail("cannot understand", word);
    }
  }

  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  check(status, "cannot close");
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
